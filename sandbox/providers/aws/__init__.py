"""The `aws` provider: one implementation over data from pulumi-aws, from AWS and from our table.

- tables.yaml has what neither the SDK nor the schemas contain; tables.py reads it.
- schemas.py reads AWS's CloudFormation schemas (cfn-lint ships them).
- resource_model.py joins SDK type, schema and table into one tree per resource type.
- validation.py validates inputs along that tree; embedded_json.py validates policies and container
  definitions, state_machines.py validates state machines, api_models.py the limits of API calls.
- templates.py makes ids, ARNs and computed outputs; preconditions.py checks what a resource
  requires of other resources; lifecycle.py has create, read, update and delete.
- invokes.py answers the functions of pulumi-aws (invokes.yaml); provider.py assembles the provider.
"""
