# The public headers' comments in Doxygen's form, which takes others than these for no documentation.
1s|^/\* |/** \\file\n * |
1s|^// |/// \\file\n/// |
/^\/\* ----/b
# C: behind a member or enumerator; before a declaration.
s|^\( *[^ /#].*[;,{] *\)/\* |\1/**< |
s|^\( *\)/\* |\1/** |
# C++: likewise.
s|^\( *[^ /#].*[;,{] *\)// |\1///< |
s|^\( *\)//\( .*\)\{0,1\}$|\1///\2|
