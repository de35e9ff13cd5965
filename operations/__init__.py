"""What a person or make runs: package, local AWS, deploy. Nothing here goes into the Lambda functions."""
