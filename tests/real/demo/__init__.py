"""`make demo-real`: the worked example with the parts that organisations run, in namespaces of its own."""
