"""What people and pages ask: status, explanations, history, flow, checks."""
