"""The injector: gives pods that ask for it a sidecar at admission. Decides no policy, never denies a pod, runs apart from the operator."""
