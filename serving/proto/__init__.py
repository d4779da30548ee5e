"""The gRPC interface. After a change of `ads.proto`, from the repository's root:

python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. --pyi_out=. serving/proto/ads.proto
"""
