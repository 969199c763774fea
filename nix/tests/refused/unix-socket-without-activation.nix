{
  good.services.moonrelay = {
    socketActivation = true;
    settings.gateway.bind = "unix:%t/moonrelay.sock";
  };
  bad.services.moonrelay.settings.gateway.bind = "unix:%t/moonrelay.sock";
  says = "services.moonrelay.socketActivation = true;";
}
