{
  home,
  upstream,
  ...
}: {
  inherit upstream;
  gateway = home {services.moonrelay.socketActivation = true;};
}
