"""StableMTL: tasks are images in the latent space of a diffusion model, and one U-Net predicts them in one step."""
