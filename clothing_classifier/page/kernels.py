"""Jupyter's managers of kernels, for those that the fork server starts"""

import os

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager

from .fork_server import ForkServer


class ForkProvisioner(LocalProvisioner):
    "Provides a kernel that the fork server started"
    async def launch_kernel(self, cmd, **kwargs):
        file = cmd[cmd.index('-f')+1]
        env = kwargs.get('env') or dict(os.environ)
        self.process = ForkServer.running.fork(file, env, kwargs.get('cwd'))
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class ForkKernelManager(ServerKernelManager):
    "A kernel from the fork server, if one runs"
    async def _async_pre_start_kernel(self, **kwargs):
        if ForkServer.running and self.provisioner is None:
            id = self.kernel_id or kwargs.get('kernel_id')
            self.provisioner = ForkProvisioner(kernel_id=id, kernel_spec=self.kernel_spec, parent=self)
        return await super()._async_pre_start_kernel(**kwargs)
