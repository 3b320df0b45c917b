no_option "$COMPONENT" "$VERSION" "$TO" "$ROLE"
press approve "$COMPONENT=$VERSION" --to "$TO" --as "$ROLE"
