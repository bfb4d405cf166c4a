"""What the build needs and the installed package does not: generators and checks of the shim image."""
