no_option "$HOST"
press host out "$HOST"
