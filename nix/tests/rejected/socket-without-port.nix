{
  valid.services.moonrelay = {
    socketActivation = true;
    settings.gateway.port = 1969;
  };
  invalid.services.moonrelay = {
    socketActivation = true;
    settings.gateway.port = 0;
  };
  message = "services.moonrelay.settings.gateway.port is 0";
}
