package geored

// Redacted is what stands where a secret would: all types of secrets of the SDK show it in every form of printing,
// logging and encoding.
const Redacted = "[redacted]"
