# Make the environment what its pins say; a refusal of a gate is yellow.
export SLUICEGATE_REPO='{delivery-repo}'
exec sluicegate sync '{environment}' --wait
