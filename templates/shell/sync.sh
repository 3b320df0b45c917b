# Make the environment what its pins say; a refusal of a gate is yellow.
exec sluicegate sync "$ENVIRONMENT" --wait
