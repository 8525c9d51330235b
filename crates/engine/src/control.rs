//! Control of a running Iris through a private socket.
