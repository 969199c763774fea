{
  valid.services.moonrelay = {
    socketActivation = true;
    settings.gateway.bind = "unix:%t/moonrelay.sock";
  };
  invalid.services.moonrelay.settings.gateway.bind = "unix:%t/moonrelay.sock";
  message = "services.moonrelay.socketActivation = true;";
}
