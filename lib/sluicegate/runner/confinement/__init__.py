"""How the commands of builds are kept from what is the server's: by another user, by a sandbox, or not at all."""
