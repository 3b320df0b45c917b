exec sluicegate drift "$ENVIRONMENT"
