"""Starts the students' kernels: ipykernel, without importing what a kernel may never need."""
