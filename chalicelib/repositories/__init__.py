"""What the system keeps: one DynamoDB table with a stream, and S3 objects."""
