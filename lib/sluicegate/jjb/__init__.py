"""The job library for jenkins-job-builder: YAML -> XML functions, and rendering with our templates."""
