{
  home,
  upstream,
  ...
}: {
  inherit upstream;
  gateway = home {};
}
