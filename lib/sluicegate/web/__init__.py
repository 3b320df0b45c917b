"""The web server: Jenkins' remote API and plain pages over one runner."""
