// Empty: lets main.go declare functions without a body.
