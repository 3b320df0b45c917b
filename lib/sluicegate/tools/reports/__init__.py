"""Reports of tools: of tests, in JUnit's format and in others, and of Puppet's runs."""
