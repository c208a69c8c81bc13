"""Use cases. Each service knows the domain and the repositories; none knows another, or HTTP."""
