let
  client = clients: {
    services.moonrelay = {
      clients = clients // {kimi-code.enable = true;};
      settings.gateway.auth.token = "\${MOONRELAY_TOKEN}";
    };
  };
in {
  good = client {tokenFile = "/run/secrets/moonrelay";};
  bad = client {};
  says = "services.moonrelay.clients.tokenFile = ";
}
