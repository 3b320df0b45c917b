no_option "$COMPONENT" "$VERSION" "$TO" "$ROLE"
press reject "$COMPONENT=$VERSION" --to "$TO" --as "$ROLE"
