# A UNIX socket that systemd creates.
{
  home.services.moonrelay = {
    enable = true;
    socketActivation = true;
    settings.gateway.bind = "unix:%t/moonrelay.sock";
  };
}
