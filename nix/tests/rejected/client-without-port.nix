{
  valid.services.moonrelay.clients.kimi-code.enable = true;
  invalid.services.moonrelay = {
    clients.kimi-code.enable = true;
    settings.gateway.port = 0;
  };
  message = "the gateway has no address that clients can use";
}
