"""auth: people sign in with their LDAP password and get a session and roles."""
