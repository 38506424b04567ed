# The command line: docker build -f docker/client.Dockerfile -t peft-client:0.1.0 .
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
ARG PUBLISH="-c Release"
WORKDIR /source
COPY . .
RUN dotnet publish src/Client $PUBLISH -v quiet -o /app \
  && test -x /app/peft-client

FROM mcr.microsoft.com/dotnet/runtime:10.0
COPY --from=build /app /app
ENV DOTNET_EnableDiagnostics=0 \
    DOTNET_NOLOGO=1 \
    PATH=/app:$PATH
WORKDIR /runs
USER 64198:64198
ENTRYPOINT ["/app/peft-client"]
