no_option "$HOST"
press host in "$HOST"
