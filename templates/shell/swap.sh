set -- swap "$ENVIRONMENT"
if [ "$BACK" = true ]; then
    set -- "$@" --back
fi
press "$@"
