{
  good.services.moonrelay.clients.kimi-code.enable = true;
  bad.services.moonrelay = {
    clients.kimi-code.enable = true;
    settings.gateway.port = 0;
  };
  says = "the gateway has no port that clients know";
}
