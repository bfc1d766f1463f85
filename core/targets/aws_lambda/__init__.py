"""AWS Lambda, API Gateway and Step Functions."""
