{
  good.services.moonrelay = {
    socketActivation = true;
    settings.gateway.port = 1969;
  };
  bad.services.moonrelay = {
    socketActivation = true;
    settings.gateway.port = 0;
  };
  says = "services.moonrelay.settings.gateway.port is 0";
}
