"""What the URLs of the server name: one file an object, as in Jenkins' Stapler."""
