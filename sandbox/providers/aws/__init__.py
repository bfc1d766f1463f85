"""The sandbox's `aws` provider: data of pulumi-aws, of AWS and a table of ours, over one engine.

- tables.yaml says what neither SDK nor schemas say; tables.py reads it.
- schemas.py reads AWS's CloudFormation schemas (cfn-lint ships them).
- nodes.py joins SDK type, schema and table into one tree per resource type.
- check.py walks inputs along that tree; documents.py looks into policies and container definitions,
  state_machines.py into state machines.
- minting.py makes ids, ARNs and computed outputs; state.py is create, read, update and delete;
  demands.py says what a resource needs of others.
- functions.py answers invokes; provider.py puts it together.
"""
