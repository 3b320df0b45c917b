case $PREVIEW in
    on | off) exec sluicegate swap "$ENVIRONMENT" --preview "$PREVIEW" ;;
    *) echo "expected on or off: $PREVIEW" >&2; exit 2 ;;
esac
