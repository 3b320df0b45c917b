no_option "$COMPONENT"
set -- rollback "$ENVIRONMENT"
if [ -n "$COMPONENT" ]; then
    set -- "$@" "$COMPONENT"
fi
if [ "$END_SESSIONS" = true ]; then
    set -- "$@" --end-sessions
fi
if [ "$FURTHER" = true ]; then
    set -- "$@" --further
fi
press "$@"
