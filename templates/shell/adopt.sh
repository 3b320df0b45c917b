set -- adopt "$ENVIRONMENT"
if [ "$DRY_RUN" = true ]; then
    set -- "$@" --dry-run
fi
press "$@"
