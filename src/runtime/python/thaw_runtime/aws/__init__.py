"""The front door on AWS Lambda."""
