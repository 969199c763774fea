{
  macos = true;
  good.services.moonrelay.socketActivation = false;
  bad.services.moonrelay.socketActivation = true;
  says = "launchd's sockets are not supported";
}
