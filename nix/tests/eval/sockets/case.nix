# systemd holds a UNIX socket.
{
  home.services.moonrelay = {
    enable = true;
    socketActivation = true;
    settings.gateway.bind = "unix:%t/moonrelay.sock";
  };
}
