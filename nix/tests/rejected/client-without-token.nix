let
  client = clients: {
    services.moonrelay = {
      clients = clients // {kimi-code.enable = true;};
      settings.gateway.auth.token = "\${MOONRELAY_TOKEN}";
    };
  };
in {
  valid = client {tokenFile = "/run/secrets/moonrelay";};
  invalid = client {};
  message = "services.moonrelay.clients.tokenFile = ";
}
