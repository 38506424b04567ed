// peft-client: the command line of Peft.Orleans. Light: no libtorch; arithmetic happens in silos.
using Peft.Orleans.Client;
using Peft.Orleans.Client.Output;

return await ClientApplication.Run(args, Terminal.OfProcess());
