# A silo: docker build -f docker/silo.Dockerfile --build-arg TORCH=cpu|cuda -t peft-silo:0.1.0-cpu .
# With CUDA the image carries libtorch's own CUDA libraries; the driver comes from the node, by the GPU operator.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
ARG TORCH=cpu
ARG PUBLISH="-c Release"
WORKDIR /source
COPY . .
RUN dotnet publish src/Silo $PUBLISH -p:TorchBackend=$TORCH -v quiet -o /app \
  && test -x /app/peft-silo

FROM mcr.microsoft.com/dotnet/aspnet:10.0
# What libtorch asks for beside libc and libstdc++.
RUN apt-get update -q \
  && apt-get install -qy --no-install-recommends libgomp1 \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /app /app
ENV DOTNET_EnableDiagnostics=0 \
    DOTNET_NOLOGO=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Silo to silo, tensors, clients, HTTP.
EXPOSE 11111 11112 30000 8080
WORKDIR /app
USER 64198:64198
ENTRYPOINT ["/app/peft-silo"]
