//! Admission control for multi-network Kubernetes Pods.
