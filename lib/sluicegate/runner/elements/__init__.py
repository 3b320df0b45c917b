"""The one catalogue of Jenkins' elements: what each XML tag is, and what a build here does about it."""
